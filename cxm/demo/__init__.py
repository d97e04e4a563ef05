"""The demo company of ``cxm serve --demo``: Marlow Coffee, a roastery with cafés and an app. Everything in it is made up."""
