"""The patch stages that leave the least tensor arena on a target: what each costs as written, and which to take."""
