// Package sqlite keeps the authority's records in one SQLite file, in a folder of its own. It implements
// [authority.Store]; package storetest is the suite that it has to pass.
//
// # What is durable
//
// The file is in WAL mode with synchronous=FULL: when Update returns nil, the write-ahead log with that update was
// synced. Updates of concurrent callers share a sync (group commit): one goroutine owns the only writing connection. It
// begins a transaction, runs each waiting function, the second and later ones in savepoints of their own, commits when nobody waits any longer or
// the batch is full, and answers all of them. A function that fails or panics loses its own savepoint only. When the
// commit fails (disk full, I/O error) nothing of the batch is kept and every caller in it gets
// [authority.ErrStoreUnavailable]; the store goes on as soon as there is room again.
//
// # Light updates
//
// Most check-ins change the record of one device and nothing else. So every function runs beside the writer first, in its caller's
// goroutine, with a Tx that knows one device: it reads the device's row, and the restrictions and orders of the device in a snapshot, and
// keeps what is to be written. The writer gets the finished row and the revision that it was made from, and writes all rows of a batch, in the order of
// their keys, with one prepared statement each, if the revision is still the same; else the function runs again. A device's revision grows with
// each change of its row, of its restrictions, and with each new order for it, so that whoever finds it unchanged has been alone with the device.
// A function that asks for anything else has outgrown this: it leaves no trace, and runs again on the writer. A record of an earlier transaction
// that says its revision (authority.Device) need not even be read again.
//
// # Records
//
// A device is a row keyed by the first half of its ID, with columns for what is searched for, and one blob (package record). Models, findings and
// lots are numbers of dictionaries, which the process remembers: only what is durable, never what a transaction made that may
// still be rolled back. What is looked for by model is found by reading devices in the order of IDs. Places and stages are counted as they change.
// Findings that no record refers to any longer stay in their dictionary until somebody deletes them: a job that goes through all
// records, deletes the others, and has them forgotten in the same turn of the writer, so that no batch refers to one meanwhile.
//
// # Checkpoints
//
// SQLite's own checkpoint would run inside a commit and hold up everybody behind it. Instead, once the log has grown past
// [Options].LogBytes a second connection copies it back passively, beside the writer, and then the writer restarts the
// log between two batches, when little is left to copy. The log's file keeps its size and is written over, which is what
// a sync is quickest with; one that has grown past twice its bound is cut off. A View that stays open for long lets the log grow, and nothing
// worse.
//
// # One process
//
// The folder holds a file named lock, locked by the process that has the folder open. The kernel drops that lock when the
// process ends, however it ends. A second process gets [ErrLocked], with the first one's process id.
//
// The hot path uses zombiezen.com/go/sqlite over modernc.org's SQLite; migrations, and what is not hot, go through database/sql to the same
// library.
//
// Times are kept to the microsecond, in UTC.
package sqlite
