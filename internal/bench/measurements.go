package bench

// measurements are all rows, in the order in which they are measured.
func measurements() []measurement {
	return []measurement{
		{"checkin", "1/s", "es256_verify", "durable check-ins through the handler of a whole server on all processors, against bare ES256 checks", checkin},
		{"checkin_http", "1/s", "es256_verify", "check-ins of a server process on half of the processors, the load on the others, against bare ES256 checks on the server's", checkinHTTP},
		{"checkin_10m", "1/s", "checkin_100k", "check-ins with 10,000,000 devices in the store, against the rate with 100,000", checkin10m},
		{"checkin_p99_ms", "ms", "bar", "99th percentile of an open loop at 60 % of the peak, against 25 ms", checkinP99},
		{"checkin_cpu_us", "µs", "es256_verify", "processor time of the server for a check-in over HTTP, against that of a bare ES256 check", checkinCPU},
		{"checkin_disk_bytes", "B", "record", "bytes written to the disk for a check-in, against the size of the record", checkinDisk},
		{"checkin_postgres", "1/s", "es256_verify", "as checkin, with the records in PostgreSQL on the same machine", checkinPostgres},
		{"territory_locate", "1/s", "plain_grid", "places looked up in the borders, against one cell of an array without borders", territoryLocate},
		{"decide", "1/s", "hand_written", "decisions by the sample policy, against a hand-written switch", decide},
		{"order_verify", "µs", "ed25519_and_hashes", "an order checked by a device, against its two bare signatures and hashes", orderVerify},
		{"sequence", "1/s", "tessera", "orders issued and sequenced into the ledger, against Tessera alone with the same bytes", sequence},
		{"release_1m_s", "s", "bar", "release of 1,000,000 held devices: issued, durable and in the ledger, against 90 s", releaseSQLite},
		{"release_1m_postgres_s", "s", "bar", "the same release with the records in PostgreSQL, against 90 s", releasePostgres},
		{"simulate_10m_s", "s", "bar", "a policy change simulated over 10,000,000 records: who would be noticed, locked, lifted; against 30 s", simulate10m},
		{"import", "1/s", "bare_inserts", "production records from CSV into the store, against bare inserts of the same rows", importRows},
		{"record_bytes", "B", "bar", "bytes on disk of a device with 90 days of history, indices included, against 300", recordBytes},
		{"record_bytes_postgres", "B", "bar", "bytes of a device with 90 days of history in PostgreSQL, indices included, against 300", recordBytesPostgres},
		{"agent_mb", "MiB", "bar", "the agent as firmware has it, against 12 MiB", agentMB},
	}
}
