package authority

import "slices"

// The roles.
const (
	RoleAdmin   = "admin"
	RoleOfficer = "officer"
	RoleSupport = "support"
)

// Right is something that an officer may be allowed to do.
type Right string

// The rights. Looking is open to every role.
const (
	MayManageOfficers  Right = "manage-officers"
	MayPublishPolicy   Right = "publish-policy"
	MayImport          Right = "import-production"
	MayDecideWaves     Right = "decide-waves"
	MayInvestigate     Right = "investigate" // cases and warrants
	MayAnswerAppeals   Right = "answer-appeals"
	MayLift            Right = "lift"
	MayGiveUnlockCodes Right = "give-unlock-codes"
	MayAttachLicences  Right = "attach-licences"
	MayErase           Right = "erase" // a device's history, at its owner's request
)

// rights is who may do what. An admin is an officer who also keeps the accounts.
var rights = map[string][]Right{
	RoleAdmin: {MayDecideWaves, MayInvestigate, MayAnswerAppeals, MayLift, MayGiveUnlockCodes, MayPublishPolicy, MayImport,
		MayAttachLicences, MayErase, MayManageOfficers},
	RoleOfficer: {MayDecideWaves, MayInvestigate, MayAnswerAppeals, MayLift, MayGiveUnlockCodes, MayPublishPolicy, MayImport,
		MayAttachLicences, MayErase},
	RoleSupport: {MayAnswerAppeals, MayGiveUnlockCodes},
}

// Can reports whether the officer may act so: the role allows it, the one-time password was changed, and the account is open.
func (o *Officer) Can(r Right) bool {
	return o != nil && !o.MustChange && o.DisabledAt.IsZero() && slices.Contains(rights[o.Role], r)
}

// allow returns why the officer may not act so, or nil.
func allow(o *Officer, r Right) error {
	switch {
	case o == nil || !o.DisabledAt.IsZero():
		return ErrNoSession
	case o.MustChange:
		return ErrPasswordChange
	case !o.Can(r):
		return ErrForbidden.saying("the role %q may not do this (%s)", o.Role, r)
	}
	return nil
}
