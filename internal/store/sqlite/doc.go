// Package sqlite keeps the authority's records in one SQLite file, in a folder of its own. It implements
// [authority.Store]; package storetest is the suite that it has to pass.
//
// # What is durable
//
// The file is in WAL mode with synchronous=FULL: when Update returns nil, the write-ahead log with that update was
// synced. Updates of concurrent callers share a sync (group commit): one goroutine owns the only writing connection. It
// begins a transaction, runs each waiting function in a savepoint of its own, commits when nobody waits any longer or
// the batch is full, and answers all of them. A function that fails or panics loses its own savepoint only. When the
// commit fails (disk full, I/O error) nothing of the batch is kept and every caller in it gets
// [authority.ErrStoreUnavailable]; the store goes on as soon as there is room again.
//
// # Checkpoints
//
// SQLite's own checkpoint would run inside a commit and hold up everybody behind it. Instead, once the log has grown past
// [Options].LogBytes a second connection copies it back passively, beside the writer, and then the writer restarts the
// log between two batches, when little is left to copy. A View that stays open for long lets the log grow, and nothing
// worse.
//
// # One process
//
// The folder holds a file named lock, locked by the process that has the folder open. The kernel drops that lock when the
// process ends, however it ends. A second process gets [ErrLocked], with the first one's process id.
//
// Times are kept to the microsecond, in UTC.
package sqlite
