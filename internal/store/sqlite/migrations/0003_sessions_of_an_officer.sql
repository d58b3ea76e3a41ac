-- A new password ends the other sessions of its officer.
CREATE INDEX session_officer ON session (officer);
