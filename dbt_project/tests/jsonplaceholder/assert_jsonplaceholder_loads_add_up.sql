-- Every record that was received is accounted for, what was loaded is there, and models learn of it by its batch.

{{ loads_that_do_not_add_up('jsonplaceholder', jsonplaceholder_entities()) }}
