// Package postgres keeps the authority's records in PostgreSQL 15 or later. It implements [authority.Store]; package storetest is the suite
// that it has to pass.
//
// # What is durable
//
// Every connection commits synchronously: when Update returns nil, the server's write-ahead log with that update was synced. Open refuses
// a server that would not keep this promise (fsync or full_page_writes off).
//
// # Light updates
//
// Nearly all updates are check-ins that change nothing but the record of one device. They share transactions. Update first runs fn
// with a Tx that knows only such a record: the first time that fn asks for a device it joins one of a few lanes, each of which owns a
// connection. A lane reads and locks the records of all who wait, with one statement, hands them out, and when all functions have
// returned writes what they want written with one UPDATE … FROM unnest and commits: two round trips for up to [Options].MaxBatch
// check-ins; a third one, in between, reads restrictions and orders of those that have any. An fn that asks for anything else outgrows the lane: it leaves no trace there, and runs again in a transaction of its own.
// Views of a single device share a statement in the same way.
//
// An update that only writes a device which a view has read, and says of which revision it was, is an exchange: one statement for many of them
// writes each row that is, column by column, what was read, and files the receipt; all or nothing, in one round trip. When one of the rows has changed, or
// is locked for longer than a moment, the batch is looked at with locks, and whoever's row it is runs in a transaction of its own.
//
// # Isolation
//
// An update of its own is SERIALIZABLE. A lane is READ COMMITTED and has every device that it read locked (FOR NO KEY UPDATE); so has an
// update of its own that reads a device, and every change of a restriction locks or writes the device's row by a trigger. A lane reads
// restrictions and orders of such devices only (standing.go). So the two are serial with each other, device by device. A View is
// REPEATABLE READ READ ONLY.
//
// # Records
//
// A device is a row of less than 300 bytes, all indexes included: package record, and the dictionaries in dictionary.go. No index has what a
// check-in changes.
//
// # Once
//
// Serialization failures, deadlocks and lost connections are tried again, for [Options].Patience. When the connection is lost while a
// commit is on its way nobody knows what became of it. So every writing connection has a row in the table receipt, and each transaction
// writes its number there: on a new connection the row tells. It stays locked until the transaction has ended, which makes the answer sure.
//
// # Several servers
//
// Any number of servers work on one database. Each has a row of its own, with a number, which it renews, and receipts. One that does not
// renew its row is fenced by another: what it has under way is waited for, and it commits nothing any more under that number. If it was
// only paused it registers again, under a new number, and goes on. Lanes step over devices that another transaction has, so that
// a server that stands still with some of them locked holds up nobody else but who wants these.
//
// What only one of them may do is done by the one that leads: see [DB.Campaign]. There are no advisory locks and no LISTEN/NOTIFY.
//
// Times are kept to the microsecond, in UTC.
package postgres
