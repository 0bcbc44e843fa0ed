"""The tests: `test_x.py` proves `x.py`; what they share lives in `conftest.py` and the helper modules beside it."""
