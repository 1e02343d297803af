"""Load for the service, and whether its signals tell what happened: ``python -m orchestrator.load``.

`arrivals` asks, `texts` says what, `outages` what fails meanwhile; `outcomes` is the log of it all, which `comparison`
holds against the signals, the store and the model server's journal.
"""
