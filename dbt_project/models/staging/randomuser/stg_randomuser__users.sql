{{ record_observations('randomuser', ['users']) }}
