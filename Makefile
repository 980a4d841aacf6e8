# make help says what there is.
PYTHON ?= python3
SETUP = $(PYTHON) scripts/setup.py

.PHONY: help run stop test install prepare lint bench proof lock messages screenshots gallery clean erase
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /  make \1\t/p' Makefile | expand -t 16

run: ## install what is missing, start everything, serve on http://127.0.0.1:8501 (another port: PORT=8600)
	@$(SETUP) run

stop: ## stop what `make run` started, also when its terminal is gone
	@$(SETUP) stop

test: ## install what is missing, then static checks and the whole suite (a part of it: ARGS="-k cluster")
	@$(SETUP) test

install: ## install what is missing for all of this, and start nothing
	@$(SETUP) install

prepare: ## install what it runs on, without what only the tests need, and start nothing
	@$(SETUP) prepare

lint: ## the static checks alone
	@$(SETUP) lint

bench: ## the table of measurements
	@$(SETUP) bench

proof: ## the full figures that the issues ask for, into docs/proof/
	@$(SETUP) proof

lock: ## write the lock files anew, with the newest versions allowed
	@$(SETUP) lock

messages: ## bring the Romanian catalogues up to date with the sentences in the code
	@.venv/bin/python scripts/messages.py

screenshots: ## take the README's pictures from the running application
	@.venv/bin/python scripts/screenshots.py

gallery: ## draw docs/gallery anew from the running application: every preset, three zooms, every ground
	@.venv/bin/python scripts/gallery.py

clean: ## remove .venv and node_modules; the database stays
	@$(SETUP) clean

erase: ## delete the private database and all that was submitted (asks for YES=1)
	@$(SETUP) erase
