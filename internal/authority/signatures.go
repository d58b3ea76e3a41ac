package authority

import (
	"context"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// errSoon stands where a capability arrives in its own file.
var errSoon = &Error{Kind: Unavailable, Name: "not-yet"}

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

func (s *Service) WaveDetail(ctx context.Context, id int64) (*WaveDetail, error) {
	return nil, errSoon
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
