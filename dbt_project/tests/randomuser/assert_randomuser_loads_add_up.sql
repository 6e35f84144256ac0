-- Every record that was received is accounted for; models learn of what was loaded by the batch of its load.

{{ loads_that_do_not_add_up('randomuser', ['users']) }}
