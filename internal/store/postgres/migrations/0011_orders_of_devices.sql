-- An order is looked for among those of its device. An index of ids alone, which are hashes, costs a page for each order that is written, and another one when
-- it is marked in the ledger. That no two devices have an order with the same id is in what it is made of: the SHA-256 of a leaf that commits to the device.
ALTER TABLE orders DROP CONSTRAINT orders_id_key;
ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (device, id);
