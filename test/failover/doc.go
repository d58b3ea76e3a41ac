// Package failover shows that no acknowledged check-in is lost, no order enters the ledger twice and no device stays stuck while servers and the
// database fail under load: three processes of the real program on one PostgreSQL with a synchronous standby; the leader is killed, the
// primary is killed and its standby promoted, and the next leader is stopped and continued after another one has taken over.
package failover
