{{ record_observations('jsonplaceholder', jsonplaceholder_entities()) }}
