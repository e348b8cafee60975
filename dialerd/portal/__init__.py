"""The portal: pages for campaign managers, supervisors, agents and the do-not-call officer, drawn with NiceGUI.

A page asks the API's own routes, in the name of whoever has opened it, and nothing else (`door.py`): it can show and do what its user may,
no more, and whatever a page can do, a script can. A noun is a module with a `PAGES` tuple; `site.py` has them all.
"""
