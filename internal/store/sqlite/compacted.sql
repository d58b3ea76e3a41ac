-- What step 5 does when the tables of before are copied (compact.go): indexes are made faster afterwards, and triggers would count twice.
DROP TABLE appeal_4;
DROP TABLE orders_4;
DROP TABLE restriction_4;
DROP TABLE device_4;
DROP TABLE production_4;

INSERT INTO population SELECT place, stage, count(*) FROM device GROUP BY place, stage;

CREATE INDEX device_place ON device (place);
CREATE INDEX device_stage ON device (stage) WHERE stage <> 0;

CREATE INDEX restriction_active ON restriction (ground_kind, ground, device) WHERE stage IN (1, 2);
CREATE INDEX restriction_wave ON restriction (wave) WHERE wave IS NOT NULL;
CREATE INDEX orders_device ON orders (device, issued_at);
CREATE INDEX orders_pending ON orders (issued_at) WHERE leaf_index IS NULL;
CREATE INDEX orders_unsettled ON orders (ground_kind, ground) WHERE settled = 0;
CREATE UNIQUE INDEX orders_leaf_index ON orders (leaf_index) WHERE leaf_index IS NOT NULL;
CREATE UNIQUE INDEX appeal_open ON appeal (device, ground_kind, ground) WHERE state = 'open';
CREATE INDEX appeal_due ON appeal (state, due_at);
CREATE INDEX appeal_device ON appeal (device);

CREATE TRIGGER restriction_steps BEFORE UPDATE OF stage ON restriction
WHEN NOT (OLD.stage = 1 AND NEW.stage = 2 AND OLD.appealing = 0
    OR OLD.stage = 2 AND NEW.stage = 1 AND OLD.appealing = 0 AND NEW.appealing = 1 AND OLD.applied <> 2
        AND NEW.deadline > OLD.effect_at AND NEW.round = OLD.round
    OR OLD.stage IN (1, 2) AND NEW.stage = 3
    OR OLD.stage = 3 AND NEW.stage = 1 AND OLD.cause NOT IN (2, 3, 5) AND NEW.round = OLD.round + 1)
BEGIN SELECT RAISE(ABORT, 'restriction: stages go noticed, locked, lifted, and back only by an appeal; no lock while appealing; a final lift is final'); END;

CREATE TRIGGER restriction_deadline BEFORE UPDATE OF deadline ON restriction
WHEN NEW.round = OLD.round AND NEW.deadline < OLD.deadline
BEGIN SELECT RAISE(ABORT, 'restriction: a date once told never moves earlier'); END;

CREATE TRIGGER restriction_noticed AFTER INSERT ON restriction
BEGIN
    UPDATE device SET stage = (SELECT coalesce(max(stage) FILTER (WHERE stage < 3), 3) FROM restriction WHERE device = NEW.device),
        revision = revision + 1 WHERE number = NEW.device;
END;

CREATE TRIGGER restriction_moved AFTER UPDATE OF stage ON restriction
BEGIN
    UPDATE device SET stage = (SELECT coalesce(max(stage) FILTER (WHERE stage < 3), 3) FROM restriction WHERE device = NEW.device),
        revision = revision + 1 WHERE number = NEW.device;
END;

CREATE TRIGGER restriction_changed AFTER UPDATE ON restriction WHEN NEW.stage = OLD.stage
BEGIN UPDATE device SET revision = revision + 1 WHERE number = NEW.device; END;

CREATE TRIGGER order_issued AFTER INSERT ON orders
BEGIN UPDATE device SET revision = revision + 1 WHERE number = NEW.device; END;
