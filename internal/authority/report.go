package authority

type reportCache struct{}
