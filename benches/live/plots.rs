//! The figures as pictures, in SVG.

use std::error::Error;
use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::figures::Figures;
use crate::load::{Load, RATES, Scene};
use crate::numbers::Sorted;

/// Told apart by who sees few colours, too (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const SIZE: (u32, u32) = (760, 440);

/// A line of a picture.
struct Line {
    name: String,
    colour: RGBAColor,
    points: Vec<(f64, f64)>,
}

/// The colour of the subject with this number, in every picture.
fn colour(number: usize) -> RGBColor {
    COLOURS[number % COLOURS.len()]
}

/// What the axes of a picture are.
struct Axes {
    legend: SeriesLabelPosition,
    title: &'static str,
    x: &'static str,
    y: &'static str,
}

/// Writes `latency.svg` and `load.svg`.
pub(crate) fn write(all: &[Figures], directory: &Path) {
    std::fs::create_dir_all(directory).expect("a directory for the plots");
    latency(all, &directory.join("latency.svg"));
    load(all, &directory.join("load.svg"));
}

/// How many of a hundred knocks had opened after which time.
fn latency(all: &[Figures], path: &Path) {
    let doors = all.iter().enumerate().flat_map(|(number, figures)| {
        let (name, colour) = (&figures.subject.name, colour(number));
        let one_time = (format!("{name}, one-time door"), colour.mix(0.45), &figures.at_one_time_door);
        [(name.clone(), colour.to_rgba(), &figures.at_static_door), one_time]
    });
    let lines: Vec<_> = doors
        .filter(|(_, _, openings)| !openings.delays.is_empty())
        .map(|(name, colour, openings)| {
            let delays = Sorted::milliseconds(&openings.delays);
            let knocks = (openings.delays.len() + openings.lost) as f64;
            let steps = delays.values().iter().zip(1..).flat_map(|(delay, opened)| {
                [f64::from(opened - 1), f64::from(opened)].map(|opened| (*delay, opened * 100.0 / knocks))
            });
            Line { name, colour, points: steps.collect() }
        })
        .collect();
    let axes = Axes {
        legend: SeriesLabelPosition::LowerRight,
        title: "From a knock's last hit until the command runs",
        x: "milliseconds",
        y: "knocks that have opened, %",
    };
    draw(&axes, (0.3..300.0).log_scale(), 0.0..100.0, &lines, path).expect("a picture");
}

/// Processor time against packet rate.
fn load(all: &[Figures], path: &Path) {
    let points = |figures: &Figures| {
        let points = RATES.into_iter().filter_map(|rate| {
            let achieved = figures.loads(Scene::FirstHits, rate).map(Load::achieved);
            Some((Sorted::new(achieved).median()?, figures.shares(rate).median()?))
        });
        points.collect()
    };
    let line = |(number, figures): (usize, &Figures)| {
        let name = figures.subject.name.clone();
        Line { name, colour: colour(number).to_rgba(), points: points(figures) }
    };
    let lines: Vec<_> = all.iter().enumerate().map(line).collect();
    let axes = Axes {
        legend: SeriesLabelPosition::UpperLeft,
        title: "CPU against packet rate",
        x: "packets in a second",
        y: "% of one processor",
    };
    draw(&axes, (800.0..250_000.0).log_scale(), (0.1..200.0).log_scale(), &lines, path).expect("a picture");
}

/// Draws lines on a white ground, so that they can be read on a dark page, too.
fn draw<X, Y>(axes: &Axes, x: X, y: Y, lines: &[Line], path: &Path) -> Result<(), Box<dyn Error>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(axes.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(axes.x).y_desc(axes.y).label_style(("sans-serif", 13)).light_line_style(BLACK.mix(0.06));
    mesh.x_label_formatter(&|value| value.to_string()).y_label_formatter(&|value| value.to_string());
    mesh.draw()?;
    for line in lines {
        let style = line.colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let mut legend = chart.configure_series_labels();
    legend.position(axes.legend.clone()).label_font(("sans-serif", 13));
    legend.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    root.present()?;
    Ok(())
}
