"""What each task does, as plain functions: no Luigi here, and no step knows another."""
