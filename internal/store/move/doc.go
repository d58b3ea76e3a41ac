// Package move takes a fleet's records from the SQLite file of a data folder to PostgreSQL, while the server goes on answering devices from
// the folder.
//
// # How
//
// A pass reads every table on both sides in the order of its key, a stretch at a time, compares row by row, and writes to the database what
// differs: rows that are new, that changed, that are gone. So a pass needs no memory of the ones before: the first one copies everything (with
// COPY), later ones what changed meanwhile, and one that was killed at any point is simply followed by another. Which tables and columns there
// are, their keys, and which table refers to which is read from the two catalogues; what has no counterpart on the other side is an
// error, not left out.
//
// Passes beside a running server see each stretch at another moment. A row that refers to one that is not there yet, or that stands in the
// way of another, is left for the next pass. When little changes from pass to pass the server has to stop: [Run] takes the folder's
// lock, so that none runs, and makes passes until nothing is left. Then it reads both sides anew, by themselves, and compares the count and a
// digest of each table.
//
// # Never two
//
// At each moment at most one of the two can be served:
//
//	begin     the table "move" comes to the database: no server starts on it      the folder is served
//	copy      passes                                                              the folder is served
//	lock      passes; count and digest                                            neither is
//	mark      the folder says that its records are elsewhere: none starts on it   neither is
//	finish    sequences, ledger, no table "move" any more: one transaction        the database can be served
//	put away  authority.db gets another name                                      the database can be served
//
// Killed between two lines, the next run finds out where it was and goes on. Before the mark the folder can be served again meanwhile: what
// it takes is copied by the next run.
//
// The ledger and the keys stay in the folder.
package move
