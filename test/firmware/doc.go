// Package firmware holds what makers build into devices to its promises: the daemon and the C interface against a real server,
// and that the device side builds for phones and stays small.
package firmware
