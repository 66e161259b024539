"""What if: a model as int8, pruned, narrower or at another resolution; its latency, energy and power.

Every figure that is an estimate carries a :class:`~mcuplan.estimates.basis.Basis`: where it comes from and how far it
may be off. Where nothing was measured there is no figure.
"""
