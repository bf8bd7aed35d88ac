"""How bytes get to a service and back: addresses, connections, retries. Nothing of registries."""
