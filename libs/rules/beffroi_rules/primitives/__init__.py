"""What rules are made of: places, times, visits, stays, crossings, directions, standing still. Pure functions."""
