// Package daemon runs the agent on a real device: `bailiwick-agent`, or a firmware's own program that brings hardware.
//
//	cfg, err := daemon.ReadConfig("/etc/bailiwick-agent.json")
//	err = daemon.Run(ctx, cfg, daemon.Hardware{}, os.Stdin, os.Stdout, logger)
//
// It observes what it is told, ticks every minute, enrols and checks in when that is due (after a failure it doubles the wait, from
// a minute to an hour), and writes the screen whenever it changed. It enforces nothing by itself: the platform shows what the
// screen says and does what its stage asks for.
//
// # Lines in
//
// Standard input, and each connection to the socket, take one line at a time, at most [MaxLine] bytes:
//
//	{"gnss":{"lat":23.1136,"lon":-82.3666},"cell":"368-01"}   signals; see package lines
//	screen             what to show now
//	shown              the owner saw the notice
//	code 1234 5678     an unlock code, in digits of any script
//	lift FILE          a lift: a regular file with its bytes, their base64, or the text of its QR code
//	lift-qr TEXT       a lift: the text of its QR code, as the camera gave it
//	tick               the wall clock was set, or the device woke up
//	check-in           check in now, due or not
//
// Each is answered by one line, on the socket or on standard output: {"ok":true}, or an object with "screen", "code" or
// "outcome" as package lines writes them, or {"error":"…"}. Standard output also gets {"screen":…} when the screen changed.
//
// Who may write to the socket may show notices as seen and enter codes: it is made with mode 0600.
//
// # Platform
//
// It needs Linux or Android: /proc/uptime (which counts sleep) and /proc/sys/kernel/random/boot_id. What Hardware
// brings is used; the rest comes from the files that the configuration names.
package daemon
