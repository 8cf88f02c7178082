"""Load: closed users of several tenants, every answer checked. A process of its own, because gevent patches sockets."""
