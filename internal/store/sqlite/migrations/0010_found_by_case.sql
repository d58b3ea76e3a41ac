-- What is about a case is found by it, however much else happens in the fleet; so is the newest job about something.
ALTER TABLE event ADD COLUMN case_id TEXT NOT NULL DEFAULT '';
UPDATE event SET case_id = coalesce((SELECT w.case_id FROM warrant AS w WHERE w.id = event.ground), '')
    WHERE device = x'00000000000000000000000000000000' AND ground_kind = 2;
UPDATE event SET case_id = coalesce((SELECT c.id FROM cases AS c WHERE substr(event.detail, 1, length(c.id) + 10) = 'The case ' || c.id || ' '), '')
    WHERE device = x'00000000000000000000000000000000' AND kind = 'case';
CREATE INDEX event_case ON event (case_id) WHERE case_id <> '';
CREATE INDEX job_about ON job (kind, subject) WHERE subject <> '';
