"""Ansible playbooks as event streams: started, watched, masked and cancelled."""
