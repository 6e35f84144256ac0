-- Every record that was received is accounted for, what was loaded is there, and its load tells the models of it.

{{ loads_that_do_not_add_up('sales', ['lines']) }}
