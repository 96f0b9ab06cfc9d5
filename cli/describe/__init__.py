"""Objects told at length, as kubectl tells them. Each module is a pure function from trees to text."""
