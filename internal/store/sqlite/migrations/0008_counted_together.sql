-- A new order counts as a change of its device (device.revision). Whoever inserts it says so beside the INSERT, unless the transaction has
-- changed a restriction of the device before, as a release does for thousands: with a trigger SQLite keeps what each INSERT would have to
-- take back.
DROP TRIGGER order_issued;
