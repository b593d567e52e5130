-- +goose Up

-- EventsAbove looks after every read of the change log for events that are ahead of it.
create index events_seq_idx on events (dataset, seq) where not quarantined;

-- +goose Down

drop index events_seq_idx;
