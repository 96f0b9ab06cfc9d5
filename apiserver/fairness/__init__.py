"""Priority and fairness: who may be carried out now, who waits his turn, who is told to come again."""
