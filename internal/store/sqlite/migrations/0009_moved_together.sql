-- Nothing here: transactions run one after the other, so that none sees an old state of another one's restrictions.
SELECT 1;
