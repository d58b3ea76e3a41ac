-- A transaction that rests on its guards (REPEATABLE READ) sees one state from its first statement on: a lock on a device's row does not show it
-- what another one did to the device's restrictions meanwhile. So it writes the row, whether the stage changes or not, and of two that move
-- restrictions of one device the second fails, and is done again. That takes the place of the lock, and the row is found once.
CREATE OR REPLACE FUNCTION restrictions_count() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('bailiwick.counted', 'on', true);
    IF current_setting('transaction_isolation') = 'repeatable read' THEN
        WITH s AS MATERIALIZED (
            SELECT d.ctid AS spot, d.stage AS was, (SELECT coalesce(max(r.stage) FILTER (WHERE r.stage < 3), 3) FROM restriction AS r WHERE r.device = d.number) AS stage
            FROM (SELECT DISTINCT m.device FROM moved AS m) AS m JOIN device AS d ON d.number = m.device
        ), written AS (
            UPDATE device AS d SET stage = s.stage FROM s WHERE d.ctid = s.spot RETURNING d.place, s.was, s.stage
        )
        INSERT INTO population
            SELECT w.place, w.was, -count(*) FROM written AS w WHERE w.was <> w.stage GROUP BY w.place, w.was
            UNION ALL SELECT w.place, w.stage, count(*) FROM written AS w WHERE w.was <> w.stage GROUP BY w.place, w.stage;
        PERFORM set_config('bailiwick.counted', 'off', true);
        RETURN NULL;
    END IF;
    PERFORM 1 FROM device WHERE number IN (SELECT m.device FROM moved AS m) FOR NO KEY UPDATE;
    WITH s AS MATERIALIZED (
        SELECT d.number, d.stage AS was, (SELECT coalesce(max(r.stage) FILTER (WHERE r.stage < 3), 3) FROM restriction AS r WHERE r.device = d.number) AS stage
        FROM (SELECT DISTINCT m.device FROM moved AS m) AS m JOIN device AS d ON d.number = m.device
    ), changed AS (
        UPDATE device AS d SET stage = s.stage FROM s WHERE d.number = s.number AND s.was <> s.stage RETURNING d.place, s.was, s.stage
    )
    INSERT INTO population
        SELECT c.place, c.was, -count(*) FROM changed AS c GROUP BY c.place, c.was
        UNION ALL SELECT c.place, c.stage, count(*) FROM changed AS c GROUP BY c.place, c.stage;
    PERFORM set_config('bailiwick.counted', 'off', true);
    RETURN NULL;
END $$;
