"""Where acknowledged items go: one module per kind of store. Real stores' modules are imported only when configured."""
