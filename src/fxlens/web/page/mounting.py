"""The page as a whole, and its place in the application."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from fxlens.web.page import compare_tab, describe_tab, match_tab, search_tab
from fxlens.web.page.dropped_files import only_dropped
from fxlens.web.page.visits import Visits
from fxlens.web.service import Service

PATH = "/page"
_STATIC = Path(__file__).parents[1] / "static"


def mount(app: FastAPI, service: Service) -> None:
    """Put the page at :data:`PATH`. What is dropped on it lies in the server's own folder, under the same limits."""
    os.environ["GRADIO_TEMP_DIR"] = str(service.storage.page)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # some of its parts look here and not at the argument
    visits = Visits(service.jobs, service.storage.page)
    page = built(service, visits)
    only_dropped(page, service.storage.page)
    page.queue(max_size=4 * (service.settings.jobs + service.settings.waiting), default_concurrency_limit=None)
    gr.mount_gradio_app(
        app,
        page,
        PATH,
        server_name=service.settings.host,
        server_port=service.settings.port,
        footer_links=[],
        run_history=False,
        show_error=True,
        max_file_size=service.settings.max_upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=_theme(),
        css=(_STATIC / "page.css").read_text(encoding="utf-8"),
        head='<link rel="icon" href="/favicon.ico" type="image/svg+xml">'
        f"<script>{(_STATIC / 'page.js').read_text(encoding='utf-8')}</script>",
    )


def built(service: Service, visits: Visits) -> gr.Blocks:
    """The page: what it is, four tabs, and what becomes of uploads."""
    settings = service.settings
    with gr.Blocks(title="fxlens", analytics_enabled=False) as page:
        gr.HTML(
            '<header class="fx-head"><h1>fxlens</h1><p>Hear what was done to a mix.</p></header>',
            elem_id="fx-head",
        )
        with gr.Tabs(elem_id="fx-tabs"):
            with gr.Tab("Describe", id="describe"):
                describe_tab.build(service, visits, PATH)
            with gr.Tab("Compare", id="compare"):
                compare_tab.build(service, visits)
            with gr.Tab("Search", id="search"):
                search_tab.build(service, visits)
            with gr.Tab("Match", id="match"):
                match_tab.build(service, visits)
        gr.HTML(
            f'<footer class="fx-foot"><p>Files of up to {settings.max_upload_mb:g} MB and {settings.max_minutes:g} '
            f"minutes. They go to this server only, and are deleted when the page is closed, or after "
            f"{settings.keep_minutes:g} minutes.</p><p>Model {escape(service.encoder.model_id)}. "
            '<a href="/docs">The interface for programs</a></p></footer>'
        )

        def left(request: gr.Request) -> None:
            visits.ended(request.session_hash)

        page.unload(left)
    return page


def _theme() -> gr.themes.Base:
    """Fonts of the reader's own system: nothing has to be fetched."""
    return gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        radius_size="lg",
        font=("system-ui", "-apple-system", "Segoe UI", "sans-serif"),
        font_mono=("ui-monospace", "SFMono-Regular", "Menlo", "monospace"),
    ).set(  # dark enough to read white letters on
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_text_color="white",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_600",
        slider_color="*primary_700",
    )
