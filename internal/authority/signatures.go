package authority

import (
	"context"
	"net/netip"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// errSoon stands where a capability arrives in its own file.
var errSoon = &Error{Kind: Unavailable, Name: "not-yet"}

func (s *Service) Run(ctx context.Context) error             { return errSoon }
func (s *Service) Sequence(ctx context.Context) (int, error) { return 0, errSoon }
func (s *Service) Sweep(ctx context.Context) error           { return errSoon }

func (s *Service) Epoch(ctx context.Context) protocol.EpochAnswer { return protocol.EpochAnswer{} }
func (s *Service) Enrol(ctx context.Context, token []byte) (*protocol.EnrolAnswer, error) {
	return nil, errSoon
}
func (s *Service) CheckIn(ctx context.Context, token []byte, from netip.Addr) (*protocol.CheckInAnswer, error) {
	return nil, errSoon
}

func (s *Service) Login(ctx context.Context, name, password string) (token string, o *Officer, err error) {
	return "", nil, errSoon
}
func (s *Service) Logout(ctx context.Context, token string) error { return errSoon }

// Authenticate returns the officer of a session. While Officer.MustChange holds only ChangePassword and Logout are open.
func (s *Service) Authenticate(ctx context.Context, token string) (*Officer, error) {
	return nil, errSoon
}
func (s *Service) ChangePassword(ctx context.Context, o *Officer, old, new string) error {
	return errSoon
}
func (s *Service) AddOfficer(ctx context.Context, by *Officer, name, role string) (oneTimePassword string, err error) {
	return "", errSoon
}
func (s *Service) DisableOfficer(ctx context.Context, by *Officer, name string) error {
	return errSoon
}
func (s *Service) EnsureAdmin(ctx context.Context) (oneTimePassword string, created bool, err error) {
	return "", false, errSoon
}
func (s *Service) Officers(ctx context.Context) ([]*Officer, error) { return nil, errSoon }

func (s *Service) Overview(ctx context.Context) (*Overview, error) { return nil, errSoon }
func (s *Service) Devices(ctx context.Context, q DeviceQuery) ([]DeviceRow, error) {
	return nil, errSoon
}
func (s *Service) FindDevice(ctx context.Context, imei string) (*Device, error) {
	return nil, errSoon
}
func (s *Service) DeviceDetail(ctx context.Context, id device.ID) (*DeviceDetail, error) {
	return nil, errSoon
}

func (s *Service) Waves(ctx context.Context, limit int) ([]*Wave, error) { return nil, errSoon }
func (s *Service) WaveDetail(ctx context.Context, id int64) (*WaveDetail, error) {
	return nil, errSoon
}
func (s *Service) ApproveWave(ctx context.Context, actor *Officer, id int64, a WaveApproval) (*WaveResult, error) {
	return nil, errSoon
}
func (s *Service) RejectWave(ctx context.Context, actor *Officer, id int64, note string) error {
	return errSoon
}

func (s *Service) Cases(ctx context.Context, limit int) ([]*Case, error) { return nil, errSoon }
func (s *Service) CaseDetail(ctx context.Context, id string) (*CaseDetail, error) {
	return nil, errSoon
}
func (s *Service) OpenCase(ctx context.Context, actor *Officer, title, consignment string) (*Case, error) {
	return nil, errSoon
}
func (s *Service) DraftWarrant(ctx context.Context, actor *Officer, caseID, reason string, ends time.Time) (*Warrant, error) {
	return nil, errSoon
}
func (s *Service) CountersignWarrant(ctx context.Context, actor *Officer, warrantID string) (*Warrant, error) {
	return nil, errSoon
}
func (s *Service) ConcludeCase(ctx context.Context, actor *Officer, caseID, finding string) (*Release, error) {
	return nil, errSoon
}

func (s *Service) Appeals(ctx context.Context, state AppealState, limit int) ([]AppealRow, error) {
	return nil, errSoon
}
func (s *Service) AnswerAppeal(ctx context.Context, actor *Officer, id int64, grant bool, answer string) error {
	return errSoon
}
func (s *Service) LiftByHuman(ctx context.Context, actor *Officer, id device.ID, g order.Ground, reason string) error {
	return errSoon
}
func (s *Service) UnlockCode(ctx context.Context, actor *Officer, id device.ID, challenge, justification string) (code string, err error) {
	return "", errSoon
}

func (s *Service) PublishPolicy(ctx context.Context, actor *Officer, name string, source []byte, activateAt time.Time) (*PolicyDocument, *policy.Report, error) {
	return nil, nil, errSoon
}
func (s *Service) PolicyInForce(ctx context.Context) (*policy.Policy, *PolicyDocument, error) {
	return nil, nil, errSoon
}
func (s *Service) Policies(ctx context.Context, limit int) ([]*PolicyDocument, error) {
	return nil, errSoon
}
func (s *Service) ImportProduction(ctx context.Context, actor *Officer, rows []Production) (int, error) {
	return 0, errSoon
}
func (s *Service) Diversions(ctx context.Context, consignment string) ([]Diversion, error) {
	return nil, errSoon
}

func (s *Service) OwnerLook(ctx context.Context, imei, reference string) (*OwnerView, error) {
	return nil, errSoon
}
func (s *Service) FileAppeal(ctx context.Context, imei, reference, text, contact string) (*Appeal, error) {
	return nil, errSoon
}

func (s *Service) PublicReport(ctx context.Context) (*PublicReport, error) { return nil, errSoon }
