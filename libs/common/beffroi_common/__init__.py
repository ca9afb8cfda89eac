"""What two services of Beffroi need today: contracts, bus, object store, runtime, test doubles."""
