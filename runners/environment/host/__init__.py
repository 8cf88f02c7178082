"""What runs on the machine that carries the services: the standard library and `runners.lib` alone, as for faults.

The modules of playbooks/library are thin: they hand their parameters to this package.
"""
