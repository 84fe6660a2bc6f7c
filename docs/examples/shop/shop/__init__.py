"""A small shop: it keeps a stock, takes orders, and has a payment service charge for them.

``app`` puts the parts together and speaks HTTP; ``store`` is the database, ``payments`` the client
of the payment service, ``prices`` the cache. Each of these three can be used, and tested, alone.
"""
