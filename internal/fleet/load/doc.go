// Package load strains a server with check-ins as a fleet would send them: real devices with keys of their own, enrolled in a sandbox,
// whose evidence is signed before the clock starts, so that what is measured is the server and not the making of it.
//
//	report, err := load.Run(ctx, load.Config{Server: "http://127.0.0.1:8470", Devices: 10_000, Rate: 2_000, Duration: time.Minute})
//
// Of the check-ins 98 % say what a day without news says: one more day, assessed as an agent assesses it (package people). The rest, drawn
// by the seed: 40 % another territory, 40 % changed software, 20 % what the device applies. One device in 200 was activated in a prohibited
// territory: it has a notice when the clock starts, and reports on it.
//
// Arrivals are an open loop: they come by chance at the rate (a Poisson process), whether or not the server has answered those before, and
// latency counts from the moment at which each was to be sent. So a server that stalls is charged for everybody who would have waited, which a
// loop that waits for answers leaves out (coordinated omission).
//
// Devices check in in the order of their IDs, neighbours a little mixed, as the server's schedule has them do.
package load
