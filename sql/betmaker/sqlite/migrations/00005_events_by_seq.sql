-- +goose Up

-- EventsAbove looks after every read of the change log for events that are ahead of it.
create index events_seq_idx on events (dataset, seq) where quarantined = 0;

-- +goose Down

drop index events_seq_idx;
