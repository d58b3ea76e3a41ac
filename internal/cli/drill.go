package cli

type drillCommand struct {
	Simulate drillSimulateCommand `cmd:"" help:"Try to break it: devices, server, store and ledger for thousands of simulated years, with every fault."`
}

func (drillCommand) Help() string {
	return `Examples:
  bailiwick drill simulate --minutes 1`
}
