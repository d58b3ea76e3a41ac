package protocol

// MaxWarrant bounds a warrant's document, in bytes.
const MaxWarrant = 4 << 10

// ParseWarrant reads what [Warrant.Marshal] wrote, and nothing else. It fails with ErrOversized, ErrMalformed or ErrInvalid.
func ParseWarrant(data []byte) (*Warrant, error) {
	var w wireWarrant
	if err := unmarshal(data, MaxWarrant, &w); err != nil {
		return nil, err
	}
	warrant, err := warrantFromWire(&w)
	if err != nil {
		return nil, err
	}
	return warrant, warrant.Validate()
}
