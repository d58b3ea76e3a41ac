// Package backup copies a data folder into one file while its server goes on, and puts such a file back.
//
// # What is in it
//
// A backup is a tar archive, encrypted as an age file when there are recipients:
//
//	bailiwick-backup          the format's name, first
//	records/authority.db      the records, at one instant
//	ledger/…                  the public files of the ledger for one checkpoint: checkpoint, key, entries, tiles
//	folder/…                  what else is in the folder
//	secret/…                  keys, only when asked for, and then only encrypted
//	manifest.json             what has to be there, with SHA-256 sums, last: a file without it is cut short
//
// # Order
//
// The records are copied first and the ledger after them. An order leaves a server only when it is in the ledger, so whatever the copied
// records say of the ledger is in the copied ledger, too. The other way about, records would name entries that the ledger lacks.
// What the ledger has beyond the records is harmless: orders that the records take for pending are looked up in it before anything is
// appended, and restrictions that devices report and nobody knows of are lifted.
//
// # No second history
//
// A ledger that goes on from a backup would sign other entries where the public has seen those that came after the backup: a fork, which
// anybody can prove and which ends the ledger's worth. So [Restore] marks what it has put back, and no server opens it, until [CatchUp] has
// built the ledger from the newest public files, and found in it every checkpoint that it was given: the backup's own, those that others
// noted, and as many entries as the witnesses have cosigned. Who has none of these can only begin another ledger, with [Succeed].
//
// Keys are left out unless asked for: a backup travels, and with the keys whoever has it can sign as this authority. Their sums are in the
// manifest either way, so that a restored folder is not started with others, or with new ones made in their place.
package backup
