-- An appeal takes back a lock that does not hold yet: the one way from locked to noticed. It needs the appeal, a date after the one
-- on which the lock would have begun, and a device that has not said that it is locked.

DROP TRIGGER restriction_steps;

CREATE TRIGGER restriction_steps BEFORE UPDATE OF stage ON restriction
WHEN NOT (OLD.stage = 1 AND NEW.stage = 2 AND OLD.appealing = 0
    OR OLD.stage = 2 AND NEW.stage = 1 AND OLD.appealing = 0 AND NEW.appealing = 1 AND OLD.applied <> 2
        AND NEW.deadline > OLD.effect_at AND NEW.round = OLD.round
    OR OLD.stage IN (1, 2) AND NEW.stage = 3
    OR OLD.stage = 3 AND NEW.stage = 1 AND OLD.cause NOT IN (2, 3, 5) AND NEW.round = OLD.round + 1)
BEGIN SELECT RAISE(ABORT, 'restriction: stages go noticed, locked, lifted, and back only by an appeal; no lock while appealing; a final lift is final'); END;

ALTER TABLE appeal ADD COLUMN stopped_lock INTEGER NOT NULL DEFAULT 0 CHECK (stopped_lock IN (0, 1));

-- A sweep and a release look at what is noticed or locked; what was lifted stays for good and is not read again.
DROP INDEX restriction_ground;
CREATE INDEX restriction_active ON restriction (ground_kind, ground, device) WHERE stage IN (1, 2);
