package authority

// Service is the authority: everything that devices, officers, owners and the public may ask of it. All methods are
// safe for concurrent use. Errors are [*Error], or a context's error.
type Service struct {
	cfg Config
}

// New returns a Service. It starts nothing; see [Service.Run].
func New(cfg Config) (*Service, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Service{cfg: cfg}, nil
}
