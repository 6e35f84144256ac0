-- A run entered from the raw zone: what became of it is not in its responses, so it is none of the other states.
alter table ops.runs drop constraint runs_state_check;
alter table ops.runs add constraint runs_state_check
check (state in ('running', 'succeeded', 'failed', 'killed', 'replayed'));
