-- The devices of restrictions that move in one statement are counted in one, too: a release moves thousands. As before, whatever changes of a
-- restriction, its device's row is locked. The plan is kept for as long as the connection lives, whether it was made for one row or for
-- thousands, so that it may only be one that is right for both: by the indexes.
CREATE FUNCTION restrictions_count() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('bailiwick.counted', 'on', true);
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

DROP TRIGGER restriction_moved ON restriction;
CREATE TRIGGER restriction_moved AFTER UPDATE ON restriction REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION restrictions_count();

DROP TRIGGER device_moved ON device;
CREATE TRIGGER device_moved AFTER UPDATE OF place, stage ON device FOR EACH ROW
    WHEN ((OLD.place <> NEW.place OR OLD.stage <> NEW.stage) AND current_setting('bailiwick.counted', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION device_counted();

-- What is allowed is seen without a call.
DROP TRIGGER restriction_steps ON restriction;
CREATE TRIGGER restriction_steps BEFORE UPDATE ON restriction FOR EACH ROW
    WHEN (NEW.stage <> OLD.stage AND NOT (OLD.stage IN (1, 2) AND NEW.stage = 3) OR NEW.deadline < OLD.deadline)
    EXECUTE FUNCTION restriction_steps();
